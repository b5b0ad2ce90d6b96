"""The whole process in virtual time, many times over: seeded chance, the real code, and checks while it runs."""
