"""What runs on AWS's batch services, and what is shipped to them."""
