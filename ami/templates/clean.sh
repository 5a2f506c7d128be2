# Run by `sh` on the machine that becomes an image, as the user who logs in; `instance` is set before.
set -eu
[ -d "$HOME" ] && cd "$HOME"

# The home: the project, the images, the jobs, what was typed and who was trusted. The environment stays.
rm -rf -- project .cache .aws .config .ssh/known_hosts .ssh/config .netrc .bash_history .python_history .lesshst .viminfo
rm -rf -- .wget-hsts .git-credentials .gitconfig .docker .huggingface .kaggle
if [ -d .deployer ]; then
  find .deployer -mindepth 1 -maxdepth 1 ! -name venv -exec rm -rf -- {} +
fi

# Not this machine's root: a rehearsal, say. Nothing beyond the home is touched there.
if [ "$(cat /var/lib/cloud/data/instance-id 2>/dev/null)" != "$instance" ]; then
  echo home
  exit 0
fi

# In memory until the next boot, and so in no image: what `undo_script` needs.
kept="/run/deployer-kept-$instance"
sudo mkdir -p -m 0700 "$kept"
sudo sh -c "cp -p /etc/ssh/ssh_host_* $kept/; cp -p '$HOME/.ssh/authorized_keys' $kept/"

# A baked machine has no more time than it had. The file names the machine, so that no other obeys it.
sudo mkdir -p /var/lib/deployer
sudo sh -c "rm -f /var/lib/deployer/deadline-*"
sudo cp /var/lib/cloud/instance/deployer-deadline "/var/lib/deployer/deadline-$instance"
# The running timer stays armed, since nobody tells systemd; a machine made from the image writes its own at its boot.
# A deadline of the past would end that machine at once.
sudo rm -f /etc/systemd/system/deployer-deadline.timer /etc/systemd/system/deployer-deadline.service \
  /etc/systemd/system/timers.target.wants/deployer-deadline.timer \
  /var/lib/systemd/timers/stamp-deployer-deadline.timer

sudo sh -c 'rm -rf /opt/dlami/nvme/* /tmp/* /var/tmp/* ~root/.bash_history ~root/.cache ~root/.ssh/authorized_keys'
sudo sh -c 'find /home -maxdepth 2 -name .bash_history -delete'
sudo sh -c 'rm -rf /var/log/journal/* /var/log/amazon/*; find /var/log -type f -exec truncate -s 0 {} +'
# The next boot is a first one: cloud-init asks AWS again for the key that may log in, and makes new host keys.
sudo cloud-init clean --logs
sudo sh -c ': > /etc/machine-id'
sudo sh -c 'find /home -maxdepth 3 -path "*/.ssh/authorized_keys" -delete'
sudo sh -c 'rm -f /etc/ssh/ssh_host_*'
sync
echo system
