"""What measures the rest: accuracy, simulated fleets, benchmarks."""
