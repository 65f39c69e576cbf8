"""One profile of hypothesis for all tests: the same examples at every run, so that a change alone can break one."""

from hypothesis import settings

settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile("steady")
