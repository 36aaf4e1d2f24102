"""The LSTM controller of Zoph & Le 2016, and what its agents share."""
