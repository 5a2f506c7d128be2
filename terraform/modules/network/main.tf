data "aws_availability_zones" "this" {
  state = "available"

  # Local and Wavelength Zones have other subnets, other prices and seldom a GPU.
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

data "aws_region" "this" {}

locals {
  # A zone's letter gives its block, so that a zone that AWS adds later moves no other zone's subnet.
  letters = split("", "abcdefghijklmnopqrstuvwxyz")
  subnet_cidrs = {
    for zone in data.aws_availability_zones.this.names :
    zone => cidrsubnet(var.cidr, 8, index(local.letters, substr(zone, -1, 1)))
  }
}

resource "aws_vpc" "this" {
  cidr_block         = var.cidr
  enable_dns_support = true
  # The S3 gateway endpoint needs the VPC to resolve Amazon's names; it costs 10 seconds in the provider.
  enable_dns_hostnames = true

  tags = { Name = var.name }
}

# Adopted and emptied: whatever lands in the default group by mistake reaches nothing.
resource "aws_default_security_group" "this" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-default-closed" }
}

resource "aws_subnet" "public" {
  for_each = local.subnet_cidrs

  vpc_id                  = aws_vpc.this.id
  availability_zone       = each.key
  cidr_block              = each.value
  map_public_ip_on_launch = var.auto_assign_address

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id

  tags = { Name = var.name }
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.this.id

  tags = { Name = var.name }
}

resource "aws_route" "internet" {
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this.id
}

resource "aws_route_table_association" "public" {
  for_each = aws_subnet.public

  subnet_id      = each.value.id
  route_table_id = aws_route_table.public.id
}

# Free, and keeps the images off the public route.
resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${data.aws_region.this.name}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.public.id]

  tags = { Name = "${var.name}-s3" }
}

resource "aws_security_group" "this" {
  name        = var.name
  description = "SSH from the caller only; everything out"
  vpc_id      = aws_vpc.this.id

  tags = { Name = var.name }
}

resource "aws_vpc_security_group_ingress_rule" "ssh" {
  security_group_id = aws_security_group.this.id
  description       = "SSH from the caller"
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
  # AWS stores the network's own address: with the host's bits every plan would show a change.
  cidr_ipv4 = cidrsubnet(var.allowed_cidr, 0, 0)

  tags = { Name = "${var.name}-ssh" }
}

resource "aws_vpc_security_group_egress_rule" "all" {
  security_group_id = aws_security_group.this.id
  description       = "Packages, data and logs"
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"

  tags = { Name = "${var.name}-all" }
}
