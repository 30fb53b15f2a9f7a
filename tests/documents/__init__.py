"""The documents judged as documents: their code, their links, and whether they name all there is and nothing else."""
