"""What the service does, in terms of the ports: taking photos in, answering them, keeping galleries, tidying up."""
