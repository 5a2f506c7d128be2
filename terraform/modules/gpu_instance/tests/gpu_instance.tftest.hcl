mock_provider "aws" {}

variables {
  name           = "deployer-demo-us-east-1"
  instance_type  = "g4dn.xlarge"
  ami_id         = "ami-0123456789abcdef0"
  user_data      = "#cloud-config\n"
  root_volume_gb = 100

  placement = {
    subnet_id             = "subnet-0123456789abcdef0"
    security_group_id     = "sg-0123456789abcdef0"
    key_name              = "deployer-demo-us-east-1"
    instance_profile_name = "deployer-demo-us-east-1"
  }
}

run "creates_one_on_demand_instance" {
  command = plan

  assert {
    condition     = length(aws_instance.node) == 1 && length(aws_instance.node[0].instance_market_options) == 0
    error_message = "Without a word about it, there is one instance, on demand."
  }

  assert {
    condition     = aws_instance.node[0].associate_public_ip_address && aws_instance.node[0].subnet_id == "subnet-0123456789abcdef0"
    error_message = "The instance must ask for its public address itself, in the chosen subnet."
  }

  assert {
    condition     = aws_instance.node[0].tags == tomap({ Name = "deployer-demo-us-east-1-0" })
    error_message = "Node 0 must be called name-0."
  }
}

run "creates_as_many_nodes_as_asked" {
  command = apply
  variables { node_count = 3 }

  assert {
    condition     = length(output.ids) == 3 && length(output.public_ips) == 3 && length(output.private_ips) == 3
    error_message = "Every node must be in the outputs."
  }
}

run "creates_a_spot_instance_that_costs_no_more_than_asked" {
  command = plan
  variables {
    spot           = true
    spot_max_price = 0.35
  }

  assert {
    condition     = aws_instance.node[0].instance_market_options[0].spot_options[0].max_price == "0.35"
    error_message = "The spot request must carry the limit."
  }
}

run "rejects_a_negative_price" {
  command = plan
  variables { spot_max_price = -1 }
  expect_failures = [var.spot_max_price]
}

run "creates_a_spot_instance_that_does_not_come_back" {
  command = plan
  variables { spot = true }

  assert {
    condition = alltrue([
      for options in aws_instance.node[0].instance_market_options :
      options.market_type == "spot" &&
      options.spot_options[0].spot_instance_type == "one-time" &&
      options.spot_options[0].instance_interruption_behavior == "terminate"
    ]) && length(aws_instance.node[0].instance_market_options) == 1
    error_message = "A spot request must be one-time, and an interruption must terminate."
  }
}

run "requires_imdsv2" {
  command = plan

  assert {
    condition = alltrue([
      for options in aws_instance.node[0].metadata_options :
      options.http_tokens == "required" && options.http_put_response_hop_limit == 1
    ]) && length(aws_instance.node[0].metadata_options) == 1
    error_message = "The metadata service must answer to session tokens only, and to the host only."
  }
}

run "requires_an_encrypted_gp3_root" {
  command = plan

  assert {
    condition = alltrue([
      for root in aws_instance.node[0].root_block_device :
      root.encrypted && root.volume_type == "gp3" && root.volume_size == 100
    ]) && length(aws_instance.node[0].root_block_device) == 1
    error_message = "The root volume must be encrypted gp3 of the size that was asked for."
  }
}

run "requires_termination_on_shutdown" {
  command = plan

  assert {
    condition     = aws_instance.node[0].instance_initiated_shutdown_behavior == "terminate"
    error_message = "A shutdown must terminate: a stopped instance still pays its disk."
  }
}

run "creates_the_instance_to_change_later" {
  command = apply
}

run "requires_that_a_new_ami_leaves_running_instances_alone" {
  command = apply
  variables {
    ami_id         = "ami-0fedcba9876543210"
    user_data      = "#cloud-config\n# a later deadline\n"
    root_volume_gb = 90
  }

  assert {
    condition     = aws_instance.node[0].root_block_device[0].volume_size == 100
    error_message = "The disk of a running machine must keep its size when the next AMI's snapshot is smaller."
  }

  assert {
    condition     = aws_instance.node[0].ami == "ami-0123456789abcdef0" && output.ids == run.creates_the_instance_to_change_later.ids
    error_message = "A new AMI or new user data must never replace a running machine."
  }
}

run "creates_a_spot_instance_to_change_later" {
  command = apply
  variables { spot = true }
}

run "creates_an_on_demand_instance_in_place_of_a_spot_instance" {
  command = apply

  assert {
    condition     = output.ids != run.creates_a_spot_instance_to_change_later.ids
    error_message = "Another market is another instance."
  }
}

run "creates_every_kind_of_gpu_instance" {
  command = plan
  variables { instance_type = "p6-b200.48xlarge" }

  assert {
    condition     = aws_instance.node[0].instance_type == "p6-b200.48xlarge"
    error_message = "Families with a hyphen have GPUs too."
  }
}

run "creates_a_cpu_instance_when_allowed" {
  command = plan
  variables {
    instance_type      = "t3.micro"
    allow_cpu_instance = true
  }

  assert {
    condition     = aws_instance.node[0].instance_type == "t3.micro"
    error_message = "allow_cpu_instance must let a trial run through."
  }
}

run "rejects_cpu_instance_type" {
  command = plan
  variables { instance_type = "t3.micro" }
  expect_failures = [var.instance_type]
}

run "rejects_amd_gpu" {
  command = plan
  variables { instance_type = "g4ad.xlarge" }
  expect_failures = [var.instance_type]
}

run "rejects_withdrawn_g3" {
  command = plan
  variables { instance_type = "g3.4xlarge" }
  expect_failures = [var.instance_type]
}

run "rejects_withdrawn_p3_even_where_cpu_is_allowed" {
  command = plan
  variables {
    instance_type      = "p3.2xlarge"
    allow_cpu_instance = true
  }
  expect_failures = [var.instance_type]
}

run "rejects_a_size_without_a_family" {
  command = plan
  variables { instance_type = "xlarge" }
  expect_failures = [var.instance_type]
}

run "rejects_an_image_name_for_an_id" {
  command = plan
  variables { ami_id = "pytorch-2.10-ubuntu-24.04" }
  expect_failures = [var.ami_id]
}

run "rejects_no_nodes" {
  command = plan
  variables { node_count = 0 }
  expect_failures = [var.node_count]
}

run "rejects_more_nodes_than_anybody_means" {
  command = plan
  variables { node_count = 17 }
  expect_failures = [var.node_count]
}

run "rejects_a_fraction_of_a_gigabyte" {
  command = plan
  variables { root_volume_gb = 99.5 }
  expect_failures = [var.root_volume_gb]
}

run "rejects_a_zone_without_a_subnet" {
  command = plan
  variables {
    placement = {
      subnet_id             = ""
      security_group_id     = "sg-0123456789abcdef0"
      key_name              = "deployer-demo-us-east-1"
      instance_profile_name = "deployer-demo-us-east-1"
    }
  }
  expect_failures = [aws_instance.node]
}
