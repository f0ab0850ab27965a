"""The owner of a blind model: its private folder, who may ask, how much was answered, the service.

HOME/blind/  blind.toml  model.json (weights, salt)  authority.key authority.crt  tls.key  blind.db  answered.json
"""
