"""What a failed test leaves: a section in its report, saved files, and attachments. Importing this loads nothing."""
