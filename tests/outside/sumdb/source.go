package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	timeout      = 30 * time.Second
	maxBodyBytes = 256 * (2 + 65535) // the largest entry bundle
)

// A source holds the resources of one log, by their paths under its prefix.
type source interface {
	read(path string) ([]byte, error)
}

// OpenSource returns the log at a URL, or in a directory.
func openSource(where string) source {
	if strings.HasPrefix(where, "http://") || strings.HasPrefix(where, "https://") {
		client := &http.Client{Timeout: timeout, CheckRedirect: refuseRedirect}
		return &service{strings.TrimSuffix(where, "/"), client}
	}
	return directory(where)
}

type directory string

func (d directory) read(path string) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(d), filepath.FromSlash(path)))
}

type service struct {
	url    string
	client *http.Client
}

func (s *service) read(path string) ([]byte, error) {
	response, err := s.client.Get(s.url + "/" + path)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBodyBytes+1))
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", path, err)
	}
	if response.StatusCode != http.StatusOK || len(body) > maxBodyBytes {
		return nil, fmt.Errorf("GET %s: %s, %d bytes", path, response.Status, len(body))
	}
	return body, nil
}

func refuseRedirect(*http.Request, []*http.Request) error {
	return http.ErrUseLastResponse
}
