"""What the daemon is measured against: each as good as its library lets it be, and each able to run alone."""
