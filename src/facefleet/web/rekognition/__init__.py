"""Amazon Rekognition's face API: the protocol, and its operations by noun, over the same ports as version 1.

A collection is a collection, a face a face, a user a person: what is made here is visible in `/v1` and the other way
round. Shapes, limits and defaults are those of botocore's model; `docs/rekognition.md` lists what differs and why.
"""
