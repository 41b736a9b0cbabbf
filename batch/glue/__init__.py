"""What runs on AWS Glue: the job's script, and the zip with the library that it imports."""
