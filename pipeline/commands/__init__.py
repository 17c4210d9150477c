"""The commands around the pipeline, by what they are about; `pipeline.cli` mounts them."""
