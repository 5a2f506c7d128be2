"""From a folder of labelled images to a trained classifier on a cloud GPU."""

__version__ = "0.1.0"
