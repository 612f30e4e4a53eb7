"""The protocol of the small agent that runs on managed devices. Source: device registry §8."""
