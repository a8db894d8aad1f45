# Tests of tools/: Python's unittest, since they run the command as a user does.
TEST_PROGRAMS += $(TOOL)
