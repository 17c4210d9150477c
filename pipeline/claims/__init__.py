"""The claims of the documents that the project began with, each as an experiment that a computer can decide."""
