"""What leaves the project as a trained model: ONNX files that are checked against the originals, and a model card."""
