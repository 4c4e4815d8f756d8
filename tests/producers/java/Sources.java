import java.time.Instant;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;

/** Where a change comes from: what Debezium's connectors say of it alike. */
final class Sources {
    static SchemaBuilder schema(String connector) {
        return SchemaBuilder.struct()
                .name("io.debezium.connector." + connector + ".Source")
                .field("version", Schema.STRING_SCHEMA)
                .field("connector", Schema.STRING_SCHEMA)
                .field("name", Schema.STRING_SCHEMA)
                .field("ts_ms", Schema.INT64_SCHEMA)
                .field("snapshot", SchemaBuilder.string().optional().defaultValue("false").build())
                .field("db", Schema.STRING_SCHEMA)
                .field("sequence", Schema.OPTIONAL_STRING_SCHEMA)
                .field("ts_us", Schema.OPTIONAL_INT64_SCHEMA)
                .field("ts_ns", Schema.OPTIONAL_INT64_SCHEMA);
    }

    static Struct source(Schema schema, String connector, Instant now) {
        return new Struct(schema)
                .put("version", "3.5.0.Final")
                .put("connector", connector)
                .put("name", "shop")
                .put("ts_ms", now.toEpochMilli())
                .put("ts_us", now.toEpochMilli() * 1_000)
                .put("ts_ns", now.toEpochMilli() * 1_000_000)
                .put("db", "shop");
    }

    private Sources() {}
}
