"""Switching models on all workers at once, or on none.

The supervisor lives in the main process, which serves no requests. Every worker keeps one connection to it. A
reload is two phases: *prepare* everywhere (load, prove), then *commit* everywhere (one assignment); the new
generation is written to disk between the two, and that write is the moment at which the switch has happened.

==============================  =============================================================================
what fails                      what happens
==============================  =============================================================================
a worker refuses to prepare     abort everywhere; nothing changed; the reason is the answer (409)
a worker hangs in prepare       the deadline aborts everywhere; nothing changed (409); if it still hangs
                                after a second deadline, it is killed and replaced
a worker dies in prepare        the others go on; its replacement joins at what is committed
the state cannot be written     abort everywhere; nothing changed (409)
a worker dies after the write   its replacement joins at the new generation
a worker does not confirm       it is killed, because it may serve the old generation; so is one whose
the commit                      connection broke; the replacement joins at the new generation
the supervisor dies             the workers drain and exit: no process is left that no switch can reach
==============================  =============================================================================

A worker joins by preparing and committing what is committed, and only then opens its listening socket.
Reloads wait until all workers have come up once. SIGHUP to the main process is a reload with an empty body.
"""
