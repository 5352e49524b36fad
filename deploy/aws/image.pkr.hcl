# The machine image that every instance starts from: Ubuntu with facefleet installed, its models converted and its units
# in place, none of them enabled; an instance's user data says which it runs (facefleet.yaml, `first-boot`).
#
#   packer init deploy/aws/image.pkr.hcl && packer build deploy/aws/image.pkr.hcl
#
# Run it in the root of a checkout. Credentials and region come from where AWS's own tools look.

packer {
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = ">= 1.3"
    }
  }
}

variable "instance_type" {
  description = "Where the image is baked; its architecture (x86 or arm64) is that of the image."
  default     = "c7i.large"
}

variable "architecture" {
  description = "amd64 or arm64, as instance_type is."
  default     = "amd64"
}

locals {
  version = regex_replace(timestamp(), "[^0-9]", "")
}

source "amazon-ebs" "facefleet" {
  ami_name      = "facefleet-${local.version}"
  instance_type = var.instance_type
  ssh_username  = "ubuntu"
  source_ami_filter {
    filters = {
      name                = "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-${var.architecture}-server-*"
      virtualization-type = "hvm"
      root-device-type    = "ebs"
    }
    owners      = ["099720109477"] # Canonical
    most_recent = true
  }
  metadata_options {
    http_endpoint = "enabled"
    http_tokens   = "required"
  }
  imds_support = "v2.0"
  launch_block_device_mappings {
    device_name           = "/dev/sda1"
    volume_size           = 10
    volume_type           = "gp3"
    delete_on_termination = true
  }
  tags = {
    facefleet = local.version
  }
}

build {
  sources = ["source.amazon-ebs.facefleet"]

  # What git knows, and nothing else of the checkout.
  provisioner "shell-local" {
    inline = ["git archive --format=tar.gz --output=/tmp/facefleet-${local.version}.tar.gz HEAD"]
  }
  provisioner "file" {
    source      = "/tmp/facefleet-${local.version}.tar.gz"
    destination = "/tmp/facefleet.tar.gz"
    generated   = true
  }
  provisioner "shell" {
    script          = "deploy/aws/bake"
    execute_command = "sudo sh '{{ .Path }}' /tmp/facefleet.tar.gz"
  }
  post-processor "shell-local" {
    inline = ["rm -f /tmp/facefleet-${local.version}.tar.gz"]
  }
}
