"""The lab's Google Cloud: the services that surround a Ray cluster on Vertex AI, emulated on this machine."""
