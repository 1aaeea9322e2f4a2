"""When things happen: configuration, steps in order, units, graph, ledger, run, commands."""
