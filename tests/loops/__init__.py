"""The operators as explicit loops: the definition in its plainest form, the oracle for tiny inputs."""
