"""Programs that :meth:`hpe_edge.doctor.machine.Machine.trial` runs, each in a process of its own."""
