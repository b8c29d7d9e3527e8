"""What a Work Policy Contract demands, rule by rule. Pure: nothing here knows where the facts came from."""
