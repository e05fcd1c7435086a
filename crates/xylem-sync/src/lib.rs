//! Replication planner: what each distribution server should hold, and the actions that get it there.
