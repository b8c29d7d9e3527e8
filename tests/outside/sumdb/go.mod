module trustlog.example/tests/outside/sumdb

go 1.18

// The newest that the Go of Debian 12 builds.
require golang.org/x/mod v0.20.0
