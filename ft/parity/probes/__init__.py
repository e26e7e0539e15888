"""What a probe of a difference may ask of the evidence."""
