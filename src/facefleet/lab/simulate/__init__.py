"""A deterministic discrete-event simulation of a fleet under the very policies that the controller runs."""
