"""The Terraform modules as package data, found by `importlib.resources.files("terraform")` in every kind of install."""
