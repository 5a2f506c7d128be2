mock_provider "aws" {
  mock_data "aws_availability_zones" {
    defaults = { names = ["us-east-1a", "us-east-1b", "us-east-1f"] }
  }

  mock_data "aws_region" {
    defaults = { name = "us-east-1" }
  }
}

variables {
  name         = "deployer-demo-us-east-1"
  allowed_cidr = "203.0.113.7/32"
}

run "creates_a_subnet_in_every_zone" {
  command = plan

  assert {
    condition = tomap({ for zone, subnet in aws_subnet.public : zone => subnet.cidr_block }) == tomap({
      "us-east-1a" = "10.20.0.0/24"
      "us-east-1b" = "10.20.1.0/24"
      "us-east-1f" = "10.20.5.0/24"
    })
    error_message = "Every zone must have a subnet, at the place in the block that its letter gives."
  }

  assert {
    condition     = length(aws_route_table_association.public) == 3 && aws_route.internet.destination_cidr_block == "0.0.0.0/0"
    error_message = "Every subnet must reach the internet: the first boot installs packages."
  }
}

run "creates_no_public_addresses_by_default" {
  command = plan

  assert {
    condition     = !anytrue([for subnet in aws_subnet.public : subnet.map_public_ip_on_launch])
    error_message = "A machine must get a public address because it asks for one, not because of where it stands."
  }
}

run "creates_public_addresses_for_cloud9" {
  command = plan
  variables { auto_assign_address = true }

  assert {
    condition     = alltrue([for subnet in aws_subnet.public : subnet.map_public_ip_on_launch])
    error_message = "Cloud9 cannot ask for an address, so the subnets must assign one."
  }
}

run "creates_a_free_road_to_s3" {
  command = plan

  assert {
    condition     = aws_vpc_endpoint.s3.vpc_endpoint_type == "Gateway" && aws_vpc_endpoint.s3.service_name == "com.amazonaws.us-east-1.s3"
    error_message = "S3 must be reached through the gateway endpoint, which costs nothing."
  }

  assert {
    condition     = aws_vpc.this.enable_dns_hostnames && aws_vpc.this.enable_dns_support
    error_message = "A gateway endpoint needs DNS support and DNS hostnames in the VPC."
  }
}

run "requires_ssh_from_the_caller_only" {
  command = plan

  assert {
    condition = (
      aws_vpc_security_group_ingress_rule.ssh.cidr_ipv4 == "203.0.113.7/32" &&
      aws_vpc_security_group_ingress_rule.ssh.from_port == 22 &&
      aws_vpc_security_group_ingress_rule.ssh.to_port == 22 &&
      aws_vpc_security_group_ingress_rule.ssh.ip_protocol == "tcp"
    )
    error_message = "Only port 22, and only from allowed_cidr, may be open."
  }
}

run "requires_the_network_address_of_a_block" {
  command = plan
  variables { allowed_cidr = "203.0.113.7/24" }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.ssh.cidr_ipv4 == "203.0.113.0/24"
    error_message = "AWS stores 203.0.113.0/24; anything else shows as a change in every plan."
  }
}

run "rejects_ssh_for_everyone" {
  command = plan
  variables { allowed_cidr = "0.0.0.0/0" }
  expect_failures = [var.allowed_cidr]
}

run "rejects_ssh_for_everyone_in_disguise" {
  command = plan
  variables { allowed_cidr = "203.0.113.7/0" }
  expect_failures = [var.allowed_cidr]
}

run "rejects_ssh_for_half_of_everyone" {
  command = plan
  variables { allowed_cidr = "128.0.0.0/1" }
  expect_failures = [var.allowed_cidr]
}

run "rejects_ipv6" {
  command = plan
  variables { allowed_cidr = "2001:db8::/64" }
  expect_failures = [var.allowed_cidr]
}

run "rejects_an_address_without_a_length" {
  command = plan
  variables { allowed_cidr = "203.0.113.7" }
  expect_failures = [var.allowed_cidr]
}

run "rejects_a_block_too_small_for_the_subnets" {
  command = plan
  variables { cidr = "10.20.0.0/24" }
  expect_failures = [var.cidr]
}
