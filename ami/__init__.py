"""Which Deep Learning AMI for which machine, and what is done to it at first boot."""
