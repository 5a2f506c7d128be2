"""AWS on this machine: a moto server with what moto lacks, and real SSH hosts."""
