# The provider replaces an on-demand instance by a spot instance, and leaves the reverse change undone without a word.
resource "terraform_data" "market" {
  input = var.spot ? "spot" : "on-demand"
}

resource "aws_instance" "node" {
  # Nodes are alike and numbered by rank; a smaller count takes the last ones away.
  count = var.node_count

  ami           = var.ami_id
  instance_type = var.instance_type
  user_data     = var.user_data
  key_name      = var.placement.key_name

  subnet_id                   = var.placement.subnet_id
  vpc_security_group_ids      = [var.placement.security_group_id]
  associate_public_ip_address = true
  iam_instance_profile        = var.placement.instance_profile_name

  # The shutdown that user_data arms ends the bill with nobody's help: a stopped instance would still pay its disk.
  instance_initiated_shutdown_behavior = "terminate"

  metadata_options {
    http_endpoint = "enabled"
    http_tokens   = "required"
    # Credentials of the role stay on the host: a container on it, one hop further, does not get them.
    http_put_response_hop_limit = 1
  }

  root_block_device {
    volume_type = "gp3"
    volume_size = var.root_volume_gb
    encrypted   = true
    # MiB/s. The default 125 makes importing torch from a fresh snapshot slow; twice costs under a cent an hour.
    throughput = 250
    tags       = { Name = "${var.name}-${count.index}" }
  }

  dynamic "instance_market_options" {
    for_each = var.spot ? [true] : []

    content {
      market_type = "spot"

      spot_options {
        # One-time and terminate: a request that comes back by itself would be a bill that comes back by itself.
        spot_instance_type             = "one-time"
        instance_interruption_behavior = "terminate"
        max_price                      = var.spot_max_price > 0 ? tostring(var.spot_max_price) : null
      }
    }
  }

  tags = { Name = "${var.name}-${count.index}" }

  lifecycle {
    # A newer AMI, a new shutdown deadline or another price limit must never replace a machine on which somebody works.
    # The size follows the AMI's snapshot, and AWS refuses to shrink a disk.
    ignore_changes = [
      ami,
      user_data,
      root_block_device[0].volume_size,
      instance_market_options[0].spot_options[0].max_price,
    ]

    replace_triggered_by = [terraform_data.market]

    precondition {
      condition     = var.placement.subnet_id != ""
      error_message = "There is no subnet in the chosen availability zone: the region has no such zone."
    }
  }
}
