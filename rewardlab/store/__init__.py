"""Files that outlive a process: journals, caches, locks, manifests, run directories, lineage."""
