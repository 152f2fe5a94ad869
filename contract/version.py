"""Which lastgood this is: of the code, of the images and of the chart alike."""

VERSION = "0.1.0"
