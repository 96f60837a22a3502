"""What runs the network: one file per library, each imported only when it is asked for."""
