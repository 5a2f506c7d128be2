# Run by `sh` over the connection that is still open, when AWS has refused to make the image; `instance` is set before.
set -eu
kept="/run/deployer-kept-$instance"
sudo test -d "$kept" || exit 0
sudo sh -c "cp -p $kept/ssh_host_* /etc/ssh/"
sudo sh -c "cp -p $kept/authorized_keys '$HOME/.ssh/authorized_keys'"
sudo rm -rf "$kept"
