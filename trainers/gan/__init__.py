"""BigGAN-deep with any norm-act layer (paper section 5.3, table 6)."""
