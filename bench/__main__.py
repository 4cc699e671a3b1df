"""`python -m bench`: what arrives per second, beside MLflow. The other measurements have commands of their own."""

from bench.ingest import main

main()
