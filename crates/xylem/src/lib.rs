//! The main program: roles and the administrator's command line.
