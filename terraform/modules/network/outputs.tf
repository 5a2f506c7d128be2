output "vpc_id" {
  description = "Id of the VPC."
  value       = aws_vpc.this.id
}

output "subnet_ids" {
  description = "Id of the public subnet of each availability zone, by zone name."
  value       = { for zone, subnet in aws_subnet.public : zone => subnet.id }

  # A machine in the subnet reaches the internet at its first boot, and until it is gone.
  depends_on = [aws_route.internet, aws_route_table_association.public]
}

output "security_group_id" {
  description = "Id of the security group whose only ingress is port 22 from allowed_cidr."
  value       = aws_security_group.this.id

  # Nothing starts before it can be reached, and reach out.
  depends_on = [aws_vpc_security_group_ingress_rule.ssh, aws_vpc_security_group_egress_rule.all]
}
