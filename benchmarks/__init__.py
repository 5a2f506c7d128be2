"""What this project promises about its own speed, measured: `make bench` writes bench/RESULTS.md."""
