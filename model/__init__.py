"""The training job: torch and torchvision, run by `python -m model.train` on any machine."""
