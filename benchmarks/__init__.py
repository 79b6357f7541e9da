"""What is measured, and how anyone can measure it again (`dermedge bench`)."""
