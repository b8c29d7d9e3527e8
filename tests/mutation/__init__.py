"""Changes of the verifier's code, one at a time, and the tests that notice them: see README.md."""
