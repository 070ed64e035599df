# The tests of this folder: skep_test() calls.
