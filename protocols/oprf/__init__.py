"""The oblivious pseudorandom function behind pseudonyms and tickets: group, proofs, joint key, enrolment."""
